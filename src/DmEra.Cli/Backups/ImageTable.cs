using System.Globalization;
using DmEra.Backup.Images;
using DmEra.Serving;

namespace DmEra.Cli.Backups;

/// <summary>Images in a table, with their chains drawn.</summary>
internal static class ImageTable
{
    /// <summary>Writes the table, in the order of the images.</summary>
    public static void Write(TextWriter output, IReadOnlyList<ImageManifest> images)
    {
        if (images.Count == 0) return;
        List<string[]> rows = [["IMAGE", "TAKEN", "KIND", "ERAS", "READ", "STORED", "SIZE", "POINT", "LABEL"]];
        for (int i = 0; i < images.Count; i++) rows.Add(Row(images, i));
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
            output.WriteLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
    }

    private static string[] Row(IReadOnlyList<ImageManifest> images, int index)
    {
        ImageManifest image = images[index];
        // Images are taken on top of the newest one only: a chain is a run of lines.
        bool goesOn = index + 1 < images.Count && images[index + 1].Parent is not null;
        bool isParentThere = index > 0 && images[index - 1].Id == image.Parent?.Id;
        string line = image.Parent is null ? (goesOn ? "┌─" : "──") : (goesOn ? "├─" : "└─");
        string kind = image.Parent is null ? "full"
            : isParentThere ? "incremental"
            : $"incremental (on {image.Parent.Number}, pruned)";
        return
        [
            $"{line} {image.Number}",
            image.Created.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
            kind,
            $"to {image.LastEra}",
            Amount.Bytes(image.Cost.BytesRead),
            Amount.Bytes(image.Cost.BytesStored),
            Amount.Bytes(image.Device.SizeSectors * ByteSize.Sector),
            image.Consistency.ToString().ToLowerInvariant(),
            image.Label ?? "",
        ];
    }
}
