"""A LangGraph checkpointer and store on plain files: `TreeSaver(folder)`, `TreeStore(folder)`.

Threads are folders, a thread is one chained journal (FORMAT.md beside this file). It must never acknowledge
what is not durable, nor let a thread's id choose a path. Needs `pip install langgraph-checkpoint`.
"""

from __future__ import annotations

from maos_sup.integrations.needed import needed

with needed("langgraph-checkpoint", modules=("langgraph", "langchain_core")):
    from maos_sup.integrations.langgraph.memories import TreeStore
    from maos_sup.integrations.langgraph.saver import TreeSaver

__all__ = ["TreeSaver", "TreeStore"]
