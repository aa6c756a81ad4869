"""Sign-in, sessions and tokens. Every way to sign in ends in `complete_sign_in`."""
