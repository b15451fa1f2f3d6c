"""MEC platform, platform manager and device application proxy (GS MEC 010-2, 011, 016)."""
