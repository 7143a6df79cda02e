//! Functions compiled for several instruction sets, of which the best the processor has is called.
//!
//! A compiler that must suit every x86-64 machine uses vectors of 16 bytes; the kernels run up to four times as fast on those of 64.
//! Only the width of the vectors differs: Rust never fuses or reorders floating-point operations, so results are equal bit for bit.

/// Which instructions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// What every processor of the architecture has.
    Plain,
    /// Vectors of 32 bytes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Vectors of 64 bytes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The best level this processor has.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("popcnt");
        if avx512 {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") {
            return Level::Avx2;
        }
    }
    Level::Plain
}

/// Asks the processor for memory that will soon be used; where there is none nothing happens.
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: this is a hint, which reads nothing.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// 16 numbers as a vector. With debug assertions `_mm512_loadu_ps` goes by way of the stack, which this does not.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(crate) fn vector(numbers: &[f32; 16]) -> std::arch::x86_64::__m512 {
    // SAFETY: both are 64 bytes, and all of them are numbers whatever their bits.
    unsafe { std::mem::transmute(*numbers) }
}

/// The numbers of a vector, likewise.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(crate) fn array(vector: std::arch::x86_64::__m512) -> [f32; 16] {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

/// The whole numbers of a vector, likewise.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
pub(crate) fn whole_numbers(vector: std::arch::x86_64::__m512i) -> [u32; 16] {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

/// Bytes that come from memory together.
pub(crate) const LINE: usize = 64;

/// Defines a function in all versions; the call takes the best. Its body must be written so that the compiler can use vectors: loops
/// without branches over slices or arrays, whatever it calls inlined.
macro_rules! vectorised {
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident $(<$($generic:ident : $bound:path),+>)? ($($argument:ident : $type:ty),* $(,)?) $(-> $result:ty)?
        $body:block
    ) => {
        $(#[$meta])*
        $visibility fn $name $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn plain $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            #[allow(clippy::too_many_arguments)]
            fn avx2 $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? {
                plain($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,popcnt")]
            #[allow(clippy::too_many_arguments)]
            fn avx512 $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $result)? {
                plain($($argument),*)
            }

            match $crate::vectorise::level() {
                // SAFETY: the processor has these instructions, `level` has looked.
                #[cfg(target_arch = "x86_64")]
                $crate::vectorise::Level::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: likewise.
                #[cfg(target_arch = "x86_64")]
                $crate::vectorise::Level::Avx2 => unsafe { avx2($($argument),*) },
                $crate::vectorise::Level::Plain => plain($($argument),*),
            }
        }
    };
}

pub(crate) use vectorised;
