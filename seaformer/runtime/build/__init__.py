"""Build: the C++ runner for this machine and the bundle for an ARM device."""
