"""Numbers of orchestrations for Prometheus: the same as in `status`, the page and reports."""
