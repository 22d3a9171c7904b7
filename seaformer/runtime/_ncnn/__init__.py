"""What the sessions and the exports of ncnn share: its text, read and written."""
