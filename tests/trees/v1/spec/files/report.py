def main(ctx):
    total = ctx.step("add", lambda: 3)
    messages = ctx.inbox()
    ctx.send("alice", "thanks", type="reply")
    ctx.state["seen"] = len(messages)
    ctx.progress(1.0, "written")
    (ctx.workspace / "report.md").write_text("3 files\n")
    if ctx.ask("May I publish?"):
        ctx.discover("published")
    return {"files": total}
