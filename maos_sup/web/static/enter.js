// Keeps the page's own key where only this origin, port included, reads it, and forgets the address that opened it.
localStorage.setItem("maos-page-key", document.querySelector("meta[name=page-key]").content);
history.replaceState(null, "", "/");
