"""All that is known of Keras' names, arguments, defaults and releases."""
