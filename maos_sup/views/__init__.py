"""Says what people see of a tree. Views only read; they judge processes by their handles, never by the
locks.
"""
