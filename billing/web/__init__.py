"""The pages of sign-in: a mailed code for customers, a second factor for staff."""
