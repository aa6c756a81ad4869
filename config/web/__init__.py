"""The web server: its worker, middleware, health, pages and the API's description."""
