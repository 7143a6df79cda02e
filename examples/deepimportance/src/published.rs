//! What the paper reports of its own networks, with its own code.

/// IDC of the original test set in percent, by network and number of important neurons.
pub fn importance(network: &str, important: usize) -> Option<f64> {
    let (six, eight) = match network {
        "lenet1" => (34.6, 14.1),
        "lenet4" => (58.8, 27.0),
        "lenet5" => (47.0, 28.0),
        _ => return None,
    };
    match important {
        6 => Some(six),
        8 => Some(eight),
        _ => None,
    }
}
