use super::jsma::best_pair;

/// Numbers that look drawn at random.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// As it is defined: all pairs, of equals the first.
fn by_all_pairs(by_target: &[f32], by_others: &[f32], open: &[bool], sign: f32) -> Option<(usize, usize)> {
    let mut best = None;
    for first in (0..open.len()).filter(|place| open[*place]) {
        for second in (first + 1..open.len()).filter(|place| open[*place]) {
            let sum = |of: &[f32]| f64::from(sign * of[first]) + f64::from(sign * of[second]);
            let (with, against) = (sum(by_target), -sum(by_others));
            let better = best.is_none_or(|(product, _)| with * against > product);
            if with > 0.0 && against > 0.0 && better {
                best = Some((with * against, (first, second)));
            }
        }
    }
    best.map(|(_, pair)| pair)
}

#[test]
fn the_best_pair_is_that_of_all_pairs() {
    for case in 0..200u64 {
        let count = 2 + (case as usize * 7) % 40;
        let scale = [1.0, 1e-6, 300.0][case as usize % 3];
        let mut by_target = numbers(count, 2 * case + 1);
        let by_others: Vec<f32> = numbers(count, 2 * case + 2).iter().map(|value| value * scale).collect();
        if case % 5 == 0 {
            // Many equals.
            by_target.iter_mut().for_each(|value| *value = (*value * 2.0).round());
        }
        let open: Vec<bool> = numbers(count, case + 900).iter().map(|value| *value > -0.6).collect();
        for sign in [1.0, -1.0] {
            let found = best_pair(&by_target, &by_others, &open, sign);
            assert_eq!(found, by_all_pairs(&by_target, &by_others, &open, sign), "case {case}, sign {sign}");
        }
    }
}

#[test]
fn no_pair_where_none_speaks_for_the_target() {
    let open = [true; 4];
    assert_eq!(best_pair(&[-1.0; 4], &[-1.0; 4], &open, 1.0), None);
    assert_eq!(best_pair(&[1.0; 4], &[1.0; 4], &open, 1.0), None);
    assert_eq!(best_pair(&[0.0; 4], &[-1.0; 4], &open, 1.0), None);
    assert_eq!(best_pair(&[1.0; 4], &[-1.0; 4], &[true, false, false, false], 1.0), None);
    assert_eq!(best_pair(&[], &[], &[], 1.0), None);
    assert_eq!(best_pair(&[1.0; 4], &[-1.0; 4], &[false, true, true, true], 1.0), Some((1, 2)), "of equals the first");
    assert_eq!(best_pair(&[-1.0; 4], &[1.0; 4], &open, -1.0), Some((0, 1)), "downwards");
    // One of them alone speaks against the target, both together for it.
    assert_eq!(best_pair(&[5.0, -1.0, 0.0], &[-1.0, -9.0, 1.0], &open[..3], 1.0), Some((0, 1)));
}
