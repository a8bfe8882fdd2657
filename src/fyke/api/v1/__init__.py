"""The thirteen operations of API v1, one module per resource.

``words`` translates between the domain's terms and those of this version of the wire, ``views``
shapes answers, ``answers`` documents them; the other modules hold the operations.
"""
