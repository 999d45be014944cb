//! Numbers in text, without a detour through `String`.

/// The value of a `Content-Length`: digits and nothing else (RFC 9110 §8.6), and small enough to count down.
pub(crate) fn length_of(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// `number` in decimal digits.
pub(crate) fn decimal(number: u64) -> Decimal {
    let mut digits = [0; 20];
    let (mut first, mut rest) = (digits.len(), number);
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
        rest /= 10;
        if rest == 0 {
            return Decimal { digits, first };
        }
    }
}

/// A number in decimal digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    digits: [u8; 20],
    first: usize,
}

impl Decimal {
    /// The digits.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.first..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_digits_only() {
        assert_eq!(length_of(b"0"), Some(0));
        assert_eq!(length_of(b"0010"), Some(10));
        assert_eq!(length_of(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        for odd in ["", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1.0", "10000000000000000000", "1_0"] {
            assert_eq!(length_of(odd.as_bytes()), None, "{odd:?}");
        }
    }

    #[test]
    fn decimals_are_what_std_writes() {
        for number in [0, 7, 10, 99, 65_535, u64::MAX] {
            assert_eq!(decimal(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
