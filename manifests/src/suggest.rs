//! "Did you mean ..?": the known word nearest to an unknown one.

/// Words further away than this are not suggested.
const DISTANCE_MAX: usize = 2;
/// Longer words are not compared.
const WORD_CHARS_MAX: usize = 64;
/// Most known words that an unknown one is compared with: a manifest can have thousands of both.
const COMPARED_MAX: usize = 256;

/// The known word nearest to `word`, by case-blind edit distance, if one is near.
///
/// A distance as long as the word itself is not near: `a` does not mean `b`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let comparable = |candidate: &&str| {
        let chars = candidate.chars().count();
        chars <= WORD_CHARS_MAX && chars.abs_diff(word.chars().count()) <= DISTANCE_MAX
    };
    known
        .into_iter()
        .filter(comparable)
        .take(COMPARED_MAX)
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            *distance <= DISTANCE_MAX
                && *distance < candidate.chars().count().min(word.chars().count())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The remedy for an unknown word: the nearest known one, or all of them if they are few, or nothing.
pub(crate) fn remedy<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    const LISTED_MAX: usize = 16;
    if let Some(near) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<_> = known.into_iter().take(LISTED_MAX + 1).collect();
    match all.len() {
        0 => None,
        1 => Some(format!("there is only `{}`", all[0])),
        2..=LISTED_MAX => Some(format!("use one of {}", all.join(", "))),
        _ => None,
    }
}

/// Edit distance with insertion, deletion, substitution and the swap of two neighbours, each at 1
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > DISTANCE_MAX
        || a.len() > WORD_CHARS_MAX
        || b.len() > WORD_CHARS_MAX
    {
        return usize::MAX;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_optimal_string_alignment() {
        let table = [
            ("", "", 0),
            ("a", "a", 0),
            ("singer", "signer", 1),
            ("packge", "package", 1),
            ("pakcages", "packages", 1),
            ("maxactivation", "maxactivations", 1),
            ("abcd", "wxyz", 4),
            ("ab", "ba", 1),
            ("a", "abcdef", usize::MAX),
        ];
        for (a, b, want) in table {
            assert_eq!(distance(a, b), want, "{a} / {b}");
            assert_eq!(distance(b, a), want, "{b} / {a}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["Packages", "Marbles", "Secrets"];
        assert_eq!(nearest("packges", known), Some("Packages"));
        assert_eq!(nearest("Secert", known), Some("Secrets"));
        assert_eq!(nearest("Volumes", known), None);
        assert_eq!(nearest("b", ["a"]), None);
        assert_eq!(nearest("", ["a"]), None);
    }
}
