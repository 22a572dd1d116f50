// Keeps the page's own key where only this origin, port included, reads it; then opens the page.
localStorage.setItem("maos-page-key", document.querySelector("meta[name=page-key]").content);
location.replace("/");
