//! Against every choice there is, on instances small enough for that; and against plain greed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

type Sets = Vec<BTreeSet<u64>>;

fn of(sets: &Sets) -> CoveredItems {
    let mut items = CoveredItems::default();
    // Numbers are the caller's: far apart, the last first.
    sets.iter().for_each(|set| items.push(set.iter().rev().map(|item| item << 40).collect()).unwrap());
    items
}

fn union<'a>(sets: impl IntoIterator<Item = &'a BTreeSet<u64>>) -> BTreeSet<u64> {
    sets.into_iter().flatten().copied().collect()
}

fn sets(most: usize) -> impl Strategy<Value = Sets> {
    // Few items are covered often, many items seldom.
    let items = prop_oneof![Just(4u64), Just(9), Just(16)];
    items.prop_flat_map(move |items| {
        let set = proptest::collection::btree_set(0..items, 0..6);
        proptest::collection::vec(set, 0..most)
    })
}

/// The subsets of the inputs.
fn subsets(sets: &Sets) -> impl Iterator<Item = Vec<&BTreeSet<u64>>> {
    (0u32..1 << sets.len())
        .map(|mask| sets.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, set)| set).collect())
}

/// The first of those that add most, again and again.
fn plain_greed(sets: &Sets, count: usize) -> Vec<Step> {
    let mut covered: BTreeSet<u64> = BTreeSet::new();
    let mut steps = Vec::new();
    while steps.len() < count {
        let adds = |set: &BTreeSet<u64>| set.difference(&covered).count() as u64;
        let most = sets.iter().map(adds).max().unwrap_or(0);
        if most == 0 {
            break;
        }
        let input = sets.iter().position(|set| adds(set) == most).unwrap();
        covered.extend(&sets[input]);
        steps.push(Step { input, adds: most });
    }
    steps
}

fn check_steps(sets: &Sets, steps: &[Step]) {
    let mut covered: BTreeSet<u64> = BTreeSet::new();
    for Step { input, adds } in steps {
        let before = covered.len() as u64;
        covered.extend(&sets[*input]);
        assert_eq!(covered.len() as u64 - before, *adds);
        assert!(*adds > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_cover_covers_all_and_its_bounds_hold(sets in sets(11)) {
        let all = union(&sets);
        let items = of(&sets);
        prop_assert_eq!((items.inputs(), items.covered()), (sets.len(), all.len() as u64));
        let Cover { steps, at_least, factor } = smallest_cover(&items);
        check_steps(&sets, &steps);
        prop_assert_eq!(&union(steps.iter().map(|step| &sets[step.input])), &all);
        for left_out in &steps {
            let others = steps.iter().filter(|step| *step != left_out);
            prop_assert_ne!(&union(others.map(|step| &sets[step.input])), &all, "{:?} can be left out", left_out);
        }
        let smallest = subsets(&sets).filter(|chosen| union(chosen.iter().copied()) == all).map(|chosen| chosen.len()).min().unwrap();
        prop_assert!(at_least <= smallest, "{} needed, and the bound is {}", smallest, at_least);
        prop_assert!(smallest <= steps.len() && steps.len() as f64 <= factor * smallest as f64 + 1e-9);
        let largest = sets.iter().map(BTreeSet::len).max().unwrap_or(0);
        prop_assert!((factor - (1..=largest).map(|size| 1.0 / size as f64).sum::<f64>().max(1.0)).abs() < 1e-12);
    }

    #[test]
    fn what_covers_most_is_chosen_and_its_bounds_hold(sets in sets(10), count in 0usize..6) {
        let Covering { steps, covered, at_most } = most_covering(&of(&sets), count);
        prop_assert_eq!(&steps, &plain_greed(&sets, count));
        check_steps(&sets, &steps);
        prop_assert_eq!(covered, steps.iter().map(|step| step.adds).sum::<u64>());
        let best = subsets(&sets).filter(|chosen| chosen.len() <= count).map(|chosen| union(chosen).len() as u64).max().unwrap();
        prop_assert!(covered <= best && best <= at_most, "{} of {}, bound {}", covered, best, at_most);
        prop_assert!(covered as f64 >= (1.0 - (-1f64).exp()) * best as f64 - 1e-9);
    }

    /// Larger ones, where only the bounds can be compared.
    #[test]
    fn bounds_of_larger_instances_are_in_order(seed in any::<u64>(), inputs in 20usize..120, items in 30u64..300) {
        let mut state = seed | 1;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let sets: Sets = (0..inputs).map(|_| { let size = 1 + next(20); (0..size).map(|_| next(items)).collect() }).collect();
        let cover = smallest_cover(&of(&sets));
        check_steps(&sets, &cover.steps);
        prop_assert_eq!(union(cover.steps.iter().map(|step| &sets[step.input])), union(&sets));
        prop_assert!(cover.at_least <= cover.steps.len());
        // As many as are needed where each item is paid for once.
        let simple = union(&sets).len().div_ceil(sets.iter().map(BTreeSet::len).max().unwrap());
        prop_assert!(cover.at_least >= simple, "{} < {}", cover.at_least, simple);
    }
}

#[test]
fn nothing_to_cover_takes_no_input() {
    for sets in [vec![], vec![BTreeSet::new(); 3]] {
        assert_eq!(smallest_cover(&of(&sets)), Cover { steps: vec![], at_least: 0, factor: 1.0 });
        assert_eq!(most_covering(&of(&sets), 5), Covering { steps: vec![], covered: 0, at_most: 0 });
    }
}

#[test]
fn the_earlier_of_equals_is_chosen() {
    let sets: Sets = [[1, 2], [3, 4], [1, 2], [3, 4]].map(BTreeSet::from).to_vec();
    let inputs = |steps: &[Step]| steps.iter().map(|step| step.input).collect::<Vec<_>>();
    assert_eq!(inputs(&smallest_cover(&of(&sets)).steps), [0, 1]);
    assert_eq!(inputs(&most_covering(&of(&sets), 9).steps), [0, 1]);
}

#[test]
fn greed_is_told_apart_from_the_best() {
    // Greed takes the long one first and then needs both others: it is not needed in the end.
    let sets: Sets = [vec![1, 2, 3, 4], vec![1, 2, 5], vec![3, 4, 6]].into_iter().map(BTreeSet::from_iter).collect();
    let cover = smallest_cover(&of(&sets));
    assert_eq!((cover.steps.len(), cover.at_least), (2, 2));
    // Three pairs of three items: any two cover all, though prices of a half each would pay for one and a half.
    let sets: Sets = [[1, 2], [2, 3], [1, 3]].map(BTreeSet::from).to_vec();
    let cover = smallest_cover(&of(&sets));
    assert_eq!((cover.steps.len(), cover.at_least), (2, 2));
}

#[test]
fn the_largest_scores_come_first() {
    let scores = crate::criteria::PerInput {
        inputs: vec![2, 3, 5, 8, 9, 11],
        columns: vec![
            ("dsa".into(), vec![1.0, f64::NAN, -0.0, f64::INFINITY, 0.0, 1.0]),
            ("other".into(), vec![9.0; 6]),
        ],
    };
    let order = |count: usize| highest(&scores, count).into_iter().map(|(input, _)| input).collect::<Vec<_>>();
    assert_eq!(order(9), [8, 2, 11, 5, 9]);
    assert_eq!(order(2), [8, 2]);
    assert!(highest(&crate::criteria::PerInput::default(), 3).is_empty());
}
