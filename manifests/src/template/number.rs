//! Floating-point numbers as Go writes them. Source: Go's strconv.FormatFloat.

/// `%v` and `%g`: the shortest digits that read back; with an exponent below 1e-4 and from 1e6 on, as Go's fmt has
/// it where no precision is given.
pub(super) fn shortest(value: f64) -> String {
    const EXPONENT_FROM: i32 = 6;
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (-4..EXPONENT_FROM).contains(&exponent) {
        return format!("{value}");
    }
    format!("{digits}e{}", signed(exponent))
}

/// `%e` with so many digits behind the point.
pub(super) fn scientific(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => format!("{digits}e{}", signed(exponent.parse().unwrap_or(0))),
        None => text,
    }
}

/// An exponent with its sign and at least two digits.
fn signed(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{:02}", exponent.unsigned_abs())
}
