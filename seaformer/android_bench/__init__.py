"""Everything about a phone: adb, its text output, its conditions, the detached job."""
