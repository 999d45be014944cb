//! The book: how to use rollcore, one chapter per question.
//!
//! Nothing in here is code to call. Every example is run as a test, with real processes or in the simulator, so what it
//! shows is what happens.
//!
//! | chapter | answers |
//! | --- | --- |
//! | [`first_deploy`] | How do I put one release in place of another? |
//! | [`configs`] | Where is the config, what may it be written in, and when is it read again? |
//! | [`rollouts`] | What does a deploy do, what is taken back when it fails, and what if even that fails? |
//! | [`tuning_restarts`] | When is a process that exits started again, and how often? |
//! | [`stopping`] | How does a process end, with everything it started? |
//! | [`after_a_kill`] | What becomes of my processes when the program that runs the engine is killed? |
//! | [`draining`] | What becomes of requests and WebSockets of the old release? |
//! | [`ports`] | Who gets which port, and how many do I need? |
//! | [`operating`] | Would it work here, what of before is in the way, and how does a service manager run it? |
//! | [`simulating`] | How do I watch a rollout go wrong before I run it? |
//! | [`coming_from_rollbridge`] | What stays, what is better, what is missing? |
//! | [`embedding_in_rust`] | Which threads, signals and files does it touch in my process? |
//! | [`embedding_in_c`] | How do I deploy from a C program, and what happens to its threads, signals and forks? |
//! | [`embedding_in_lua`] | How do I deploy from a Lua script, on a machine without Lua, too? |
//! | [`embedding_in_node`] | How do I deploy from a Node program, and what happens to its children, threads and end? |
//! | [`embedding_in_ruby`] | How do I deploy from a Ruby program, and what happens to its threads, signals and forks? |
//! | [`https`] | How do I serve HTTPS and HTTP/2, and what if a load balancer stands in front? |
//! | [`limits`] | How many, how long, how large, and what then? |
//!
//! Words that the book uses as the code does: a **process** is what the config names, an **instance** is one replica of
//! it, a **release** is a prepared directory and its id, a **rollout** is the move to a release. An instance **runs** when
//! it has a pid, and is **ready** when it may take traffic.

pub mod after_a_kill;
pub mod coming_from_rollbridge;
pub mod configs;
pub mod draining;
pub mod embedding_in_c;
pub mod embedding_in_lua;
pub mod embedding_in_node;
pub mod embedding_in_ruby;
pub mod embedding_in_rust;
pub mod first_deploy;
pub mod https;
pub mod limits;
pub mod operating;
pub mod ports;
pub mod rollouts;
pub mod simulating;
pub mod stopping;
pub mod tuning_restarts;
