//! A size as flags take it.

const KIB: u64 = 1024;

/// Bytes: `268435456`, `64M`, `64MiB`, `1g`, by powers of 1,024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let not_a_size = || "a size in bytes, such as 64M, 256MiB or 1G".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| not_a_size())?;
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => KIB,
        "m" | "mib" => KIB * KIB,
        "g" | "gib" => KIB * KIB * KIB,
        _ => return Err(not_a_size()),
    };
    number.checked_mul(unit).ok_or_else(not_a_size)
}
