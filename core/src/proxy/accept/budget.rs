//! How many clients the descriptors of this process are enough for.

/// How many descriptors are left to others: the control socket, the pipes of children, files. A quarter of them, and not
/// more than so many.
const OTHERS_MAX: usize = 256;

/// A client needs one, and his request another one for its connection to the application.
const OF_A_CLIENT: usize = 2;

/// With so many descriptors, how many clients may be connected; at least one.
pub(super) fn connections_max(descriptors_max: usize) -> usize {
    let others = (descriptors_max / 4).min(OTHERS_MAX);
    ((descriptors_max - others) / OF_A_CLIENT).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_two_and_others_have_some() {
        let examples = [(0, 1), (3, 1), (40, 15), (256, 96), (1024, 384), (65_536, 32_640)];
        for (descriptors, clients) in examples {
            assert_eq!(connections_max(descriptors), clients, "of {descriptors}");
        }
        assert!(connections_max(usize::MAX) > usize::MAX / 4);
    }
}
