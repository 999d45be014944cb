//! HTTPS, HTTP/2, and fronts that say who their clients are.
