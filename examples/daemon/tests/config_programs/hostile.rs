//! Configs that nobody would write by hand: told clearly, in bounded time and memory.
