"""Says what belongs to one host (`run/`): who a process is, signs of life, marks, triggers. All
disposable.
"""
