//! Charts of the HTML report, drawn as inline SVG. Each tells in words what it shows, or stands beside the numbers it draws.

mod bullet;
mod heat;
mod histogram;
mod reliability;
mod saturation;

pub(crate) use bullet::{Bullet, bar, bullet};
pub(crate) use heat::{Cell, Row, heat};
pub(crate) use histogram::histogram;
pub(crate) use reliability::reliability;
pub(crate) use saturation::saturation;
