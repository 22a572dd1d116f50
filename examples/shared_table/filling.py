"""Agents that fill one table together; each row is put once, and the total counts every row."""

ROWS = 20


def odd(ctx):
    return fill(ctx, range(1, ROWS, 2))


def even(ctx):
    return fill(ctx, range(0, ROWS, 2))


def fill(ctx, numbers):
    table = ctx.state("custom:table")
    for number in numbers:
        table.put(f"rows/{number:02d}", {"words": number * 10, "by": ctx.agent})
        table.update("total", added(number * 10))
        ctx.state["last"] = number  # the agent's own
    return {"rows": len(numbers)}


def added(words):
    """What is made of the total: it may be asked several times, so it only makes a value of a value."""
    return lambda total: (total or 0) + words


def report(ctx):
    table = ctx.state("custom:table")
    rows = table.keys("rows/")
    return {"rows": len(rows), "total": table.get("total")}


def grows(told):
    """A hook: the total never falls."""
    if told["before"] is not None and told["value"] < told["before"]:
        return {"refuse": f"{told['value']} is below {told['before']}"}
    return None
