"""What ``fit``, ``evaluate`` and ``predict`` do."""
