using DmEra.Devices;
using DmEra.Nbd.Protocol;

namespace DmEra.Nbd.Handshake;

/// <summary>The metadata contexts of an export that a client selected.</summary>
internal sealed record MetaContexts(NbdExport? Export, IReadOnlyList<SelectedContext> Selected)
{
    public static readonly MetaContexts None = new(null, []);

    /// <summary>Reads a count and that many query strings, which must be all that is left.</summary>
    public static bool TryReadQueries(ref OptionReader reader, out List<string> queries)
    {
        queries = [];
        if (!reader.TryRead(out uint count)) return false;
        for (uint i = 0; i < count; i++)
        {
            if (!reader.TryRead(out string query)) return false;
            queries.Add(query);
        }

        return reader.IsAtEnd;
    }

    /// <summary>The names that match: all without a query; <c>namespace:</c> and <c>namespace:group:</c> stand for
    /// every listed name that starts so; any other query is a name.</summary>
    public static IEnumerable<string> List(NbdExport export, IReadOnlyList<string> queries)
    {
        IReadOnlyCollection<string> listed = export.Contexts.Names;
        return queries.Count == 0
            ? listed
            : queries
                .SelectMany(query => query.EndsWith(':')
                    ? listed.Where(name => name.StartsWith(query, StringComparison.Ordinal))
                    : export.Contexts.Find(query) is { } context ? [context.Name] : [])
                .Distinct(StringComparer.Ordinal);
    }

    /// <summary>The contexts of these names, each once, numbered from 1. Unknown names select nothing.</summary>
    public static MetaContexts Select(NbdExport export, IEnumerable<string> queries) =>
        new(export,
        [
            .. queries
                .Distinct(StringComparer.Ordinal)
                .Select(export.Contexts.Find)
                .OfType<IBlockStatusContext>()
                .Take(NbdLimits.Contexts + 1)
                .Select((context, index) => new SelectedContext((uint)index + 1, context)),
        ]);
}
