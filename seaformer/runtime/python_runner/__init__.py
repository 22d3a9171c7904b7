"""The runner in Python, where nothing compiles: the flags and the JSON of the C++ one."""
