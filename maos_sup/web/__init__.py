"""The page: a server on this machine that shows trees and, if it may, steers them. Imported when it serves.

`gate` lets requests in, `app` answers them from projections, `acts` steers through the one room for that.
There is no database and no state but keys and caches: any number of servers may show the same tree.
"""
