"""One file that tells a run: HTML that is read without script and network, or Markdown for a pull request."""
