//! Rows of units that outlive their batch, kept once for all criteria that compare inputs.

use std::sync::{Arc, Mutex, PoisonError};

/// The rows of one layer's inputs that were kept, by their place in the batch.
#[derive(Debug, Default)]
pub(crate) struct KeptRows(Mutex<Vec<(usize, Arc<[f32]>)>>);

impl KeptRows {
    /// Forgets them, as another layer comes; whoever keeps them still has them.
    pub(crate) fn forget(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The row at this place, `units`, for as long as it is kept; copied for the first who asks.
    pub(crate) fn keep(&self, place: usize, units: &[f32]) -> Arc<[f32]> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, row)) = rows.iter().find(|(own, _)| *own == place) {
            debug_assert_eq!(row.len(), units.len());
            return Arc::clone(row);
        }
        let row: Arc<[f32]> = units.into();
        rows.push((place, Arc::clone(&row)));
        row
    }
}

impl Clone for KeptRows {
    /// One that keeps nothing yet.
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_copied_once_for_each_layer() {
        let mut rows = KeptRows::default();
        let first = rows.keep(1, &[1.0, 2.0]);
        assert!(Arc::ptr_eq(&first, &rows.keep(1, &[1.0, 2.0])));
        assert_eq!(*rows.keep(0, &[5.0, 6.0]), [5.0, 6.0]);
        rows.forget();
        assert_eq!(*rows.keep(1, &[3.0]), [3.0]);
        assert_eq!(*first, [1.0, 2.0]);
    }
}
