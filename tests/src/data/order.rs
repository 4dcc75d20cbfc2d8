//! In which order rows stand. An order is a permutation that is computed, not stored: a Feistel network over the
//! next power of four, walked until it comes back below the number of rows (at most four steps on average).

use std::str::FromStr;

use crate::random::mix;

/// How far apart the rows of a user stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Side by side.
    Grouped,
    /// Side by side, except one row in ten, which changes places with another such row.
    Mixed,
    /// Anywhere.
    Shuffled,
}

/// `Mixed` moves one row in ten.
const MOVED: u64 = 10;

impl Order {
    /// Which of `rows` rows stands at `position`.
    pub(super) fn row_at(self, position: u64, rows: u64, seed: u64) -> u64 {
        match self {
            Order::Shuffled => permuted(position, rows, seed),
            Order::Mixed if position % MOVED == 0 => {
                MOVED * permuted(position / MOVED, rows.div_ceil(MOVED), seed)
            }
            Order::Mixed | Order::Grouped => position,
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "grouped" => Ok(Order::Grouped),
            "mixed" => Ok(Order::Mixed),
            "shuffled" => Ok(Order::Shuffled),
            _ => Err("use grouped, mixed or shuffled".to_owned()),
        }
    }
}

/// Where `position` goes in a permutation of the numbers below `count`, which must be above it.
fn permuted(position: u64, count: u64, seed: u64) -> u64 {
    let bits = u64::BITS - (count - 1).leading_zeros();
    let half = bits.div_ceil(2);
    let mut at = position;
    loop {
        at = feistel(at, half, seed);
        if at < count {
            return at;
        }
    }
}

/// A permutation of the numbers of `2 * half` bits.
fn feistel(number: u64, half: u32, seed: u64) -> u64 {
    let mask = (1 << half) - 1;
    let (mut left, mut right) = (number >> half, number & mask);
    for round in 0..4 {
        (left, right) = (right, left ^ (mix(seed ^ (round << 56), right) & mask));
    }
    (left << half) | right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_in(order: Order, count: u64) -> Vec<u64> {
        (0..count).map(|at| order.row_at(at, count, 7)).collect()
    }

    #[test]
    fn every_row_stands_at_exactly_one_position() {
        for order in [Order::Grouped, Order::Mixed, Order::Shuffled] {
            for count in (1..300).chain([1_024, 10_007]) {
                let mut rows = rows_in(order, count);
                rows.sort_unstable();
                assert!(rows.into_iter().eq(0..count), "{order:?}, {count} rows");
            }
        }
    }

    #[test]
    fn a_mixed_order_moves_one_row_in_ten_far_away() {
        let rows = rows_in(Order::Mixed, 10_000);
        let moved = (0..).zip(&rows).filter(|(at, row)| at != *row);
        let far = moved.clone().filter(|(at, row)| at.abs_diff(**row) > 100);
        assert!((990..=1_000).contains(&moved.count()));
        assert!(far.count() > 900);
    }

    #[test]
    fn a_shuffled_order_leaves_hardly_a_row_where_it_was() {
        let rows = rows_in(Order::Shuffled, 10_000);
        assert!((0..).zip(&rows).filter(|(at, row)| at == *row).count() < 10);
    }

    #[test]
    fn an_unknown_order_is_answered_with_the_known_ones() {
        assert_eq!("mixed".parse(), Ok(Order::Mixed));
        let refused = "random".parse::<Order>().unwrap_err();
        assert_eq!(refused, "use grouped, mixed or shuffled");
    }
}
