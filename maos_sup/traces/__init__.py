"""Journals as OpenTelemetry spans: what was recorded is sent, live or years later, under the same ids."""
