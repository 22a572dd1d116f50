"""Metrics as the text that Prometheus reads. The one door to prometheus-client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from maos_sup.metrics.families import COUNTER, Family

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Told:
    """Families as prometheus-client collects them."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            make = CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily
            metric = make(family.name, family.help, labels=family.labels)
            for labels, value in family.samples.items():
                metric.add_metric(labels, float(value))
            yield metric


def exposed(families: Iterable[Family]) -> bytes:
    """Write the families in the text format of Prometheus."""
    return generate_latest(_Told(families))
