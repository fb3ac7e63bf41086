"""What everything else stands on: arrays and shapes, arguments, configurable objects, text."""
