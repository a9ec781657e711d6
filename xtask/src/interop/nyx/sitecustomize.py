"""What nyx 2.1 uses of Python and newer ones have dropped. Python imports this by itself at start."""

import inspect

if not hasattr(inspect, 'getargspec'):
    inspect.getargspec = inspect.getfullargspec
