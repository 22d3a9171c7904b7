"""Emulator: an ARM core under qemu-user, and the plugin that counts what it executes."""
