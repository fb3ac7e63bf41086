"""What a network did with a picture, number by number, and whether its gradients are right.

``Model.explain``, ``Model.explain_gradient`` and ``Model.check_gradients`` are the way in.
"""
