namespace DmEra.Serving;

/// <summary>What somebody may have meant who typed a word that there is not.</summary>
public static class NearestWord
{
    /// <summary>The rest of a message, as in "; did you mean 'origin'?"; empty when no word is near.</summary>
    /// <param name="word">What was typed.</param>
    /// <param name="known">What there is.</param>
    public static string Hint(string word, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(word);
        (string Word, int Distance)[] near =
        [
            .. known.Select(other => (other, Distance(word, other))).Where(other => other.Item2 <= Math.Max(1, Math.Min(word.Length, other.other.Length) / 3)),
        ];
        return near.Length == 0 ? "" : $"; did you mean '{near.MinBy(other => other.Distance).Word}'?";
    }

    // Letters to be put in, taken away or replaced, and neighbours to be exchanged (optimal string alignment).
    private static int Distance(string left, string right)
    {
        int[,] steps = new int[left.Length + 1, right.Length + 1];
        for (int i = 0; i <= left.Length; i++) steps[i, 0] = i;
        for (int j = 0; j <= right.Length; j++) steps[0, j] = j;
        for (int i = 1; i <= left.Length; i++)
        {
            for (int j = 1; j <= right.Length; j++)
            {
                int replaced = steps[i - 1, j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
                steps[i, j] = Math.Min(replaced, Math.Min(steps[i - 1, j], steps[i, j - 1]) + 1);
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                    steps[i, j] = Math.Min(steps[i, j], steps[i - 2, j - 2] + 1);
            }
        }

        return steps[left.Length, right.Length];
    }
}
