"""Says what people do to an orchestration: edits of `spec/`, answers, messages, a start.

Commands and screens act through this package, so that the same act has the same effect and the same words.
"""
