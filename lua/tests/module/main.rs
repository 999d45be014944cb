//! `require "rollcore"` in real interpreters: it is built as its users build it, and loaded by the Lua of the machine.

mod build;
mod ctrl_c;
mod host;
mod hostile;
mod install;
mod pages;
mod programs;
mod story;
