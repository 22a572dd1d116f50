"""The keys of `otel`: where spans are sent while agents work."""

from __future__ import annotations

from state_layout.shapes.shape import Field, Flag, MapOf, OneOf, Shape, Text

_PORT = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"  # 1 to 65535
OTEL = Shape(
    fields={
        "endpoint": Field(
            Text(
                pattern=rf"https?://(\[[^\s/@\[\]]+\]|[^\s/@:\[\]]+)(:{_PORT})?(/\S*)?|\$[A-Za-z_]\w*",
                wish="a URL like http://127.0.0.1:4318, without user and password, "
                "or $NAME of a variable that holds one",
                secret=True,
            ),
            "the collector, where it takes OTLP over HTTP; else OTEL_EXPORTER_OTLP_ENDPOINT",
            example="http://127.0.0.1:4318",
        ),
        "headers_from": Field(
            MapOf(
                value=Text(pattern=r"[A-Za-z_]\w*", wish="the name of a variable", secret=True),
                key=r"[A-Za-z0-9!#$%&'*+.^_|~-]+",
                key_wish="the name of a header",
            ),
            "headers, by name the variable of the environment that holds each",
            example={"authorization": "COLLECTOR_KEY"},
        ),
        "service": Field(Text(least=1), "what the collector calls the source of the spans", example="audits"),
        "resource": Field(
            MapOf(value=Text(), key_wish="the name of an attribute"),
            "attributes of the source, no place for secrets",
            example={"deployment.environment.name": "laptop"},
        ),
        "names": Field(OneOf(("1.37", "0.1")), "the version of the GenAI conventions", example="0.1"),
        "content": Field(
            Flag(), "also what models were told and said, and what tools were given and gave", example=True
        ),
    },
    instead={
        "headers": "use 'headers_from', with the names of variables: a plan is no place for secrets",
        "protocol": "leave it out; it is OTLP over HTTP in JSON, which collectors take at port 4318",
        "url": "use 'endpoint'",
        "semconv": "use 'names'",
        "service_name": "use 'service'",
        "resource_attributes": "use 'resource'",
    },
)
