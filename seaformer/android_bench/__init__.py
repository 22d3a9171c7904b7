"""All that is about a phone: adb, its text, its conditions, the detached job."""
