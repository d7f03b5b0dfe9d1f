using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using DmEra.Nbd.Protocol;
using DmEra.Nbd.Transport;

namespace DmEra.Nbd.Handshake;

/// <summary>What each option does.</summary>
internal sealed partial class NbdHandshake
{
    private const int PreferredBlock = 4096;

    private bool _isSecure;
    private ReplyStyle _style;
    private NbdExport? _chosen;
    private MetaContexts _contexts = MetaContexts.None;

    private Outcome Answer(Option option, ReadOnlySpan<byte> data) => option switch
    {
        Option.Abort => Abort(),
        not Option.StartTls when _tls is { Mode: NbdTlsMode.Require } && !_isSecure => RefusePlaintext(option),
        Option.ExportName => ExportName(data),
        Option.Info => DescribeExport(option, data),
        Option.Go => DescribeExport(option, data) == Outcome.NextOption && _chosen is not null
            ? Outcome.Transmission
            : Outcome.NextOption,
        Option.ListMetaContext or Option.SetMetaContext => ListOrSetMetaContext(option, data),
        Option.List or Option.StartTls or Option.StructuredReply or Option.ExtendedHeaders when data.Length > 0 =>
            Refuse(option, OptionReply.ErrorInvalid, "this option takes no data"),
        Option.List => List(),
        Option.StartTls => StartTls(),
        Option.StructuredReply when _style == ReplyStyle.Extended =>
            Refuse(option, OptionReply.ErrorExtendedHeadersRequired, "extended headers are negotiated already"),
        Option.StructuredReply => Use(option, ReplyStyle.Structured),
        Option.ExtendedHeaders => Use(option, ReplyStyle.Extended),
        _ => Refuse(option, OptionReply.ErrorUnsupported, "unknown option"),
    };

    private NbdSession Session()
    {
        NbdExport export = _chosen ?? throw new UnreachableException();
        return new NbdSession(export, _style, ContextsOf(export).Selected);
    }

    private MetaContexts ContextsOf(NbdExport export) =>
        string.Equals(_contexts.Export?.Name, export.Name, StringComparison.Ordinal) ? _contexts : MetaContexts.None;

    private Outcome RefusePlaintext(Option option) => option == Option.ExportName
        ? throw new NbdProtocolException("EXPORT_NAME without TLS")
        : Refuse(option, OptionReply.ErrorTlsRequired, "start TLS first");

    private Outcome StartTls()
    {
        if (_tls is null) return Refuse(Option.StartTls, OptionReply.ErrorPolicy, "this server has no TLS");
        if (_isSecure) return Refuse(Option.StartTls, OptionReply.ErrorInvalid, "TLS is started already");
        if (Acknowledge(Option.StartTls) == Outcome.Ended) return Outcome.Ended;
        Transport = TlsTransport.Accept(Transport, _tls);
        _isSecure = true;

        // Nothing that somebody between us and the client may have put in counts any more (CVE-2021-3716).
        _style = ReplyStyle.Simple;
        _contexts = MetaContexts.None;
        _chosen = null;
        return Outcome.NextOption;
    }

    private Outcome ExportName(ReadOnlySpan<byte> data)
    {
        // There is no way to answer this option with an error.
        if (_style == ReplyStyle.Extended) throw new NbdProtocolException("EXPORT_NAME after extended headers");
        if (!OptionReader.TryDecode(data, out string name)) throw new NbdProtocolException("malformed export name");
        _chosen = Find(name) ?? throw new NbdProtocolException($"no export is called \"{Shorten(name)}\"");
        if (WhyRefuse(_chosen) is { } refusal) throw new NbdProtocolException(refusal);

        ExportSize size = SizeOf(_chosen);
        bool wantsZeroes = !_clientFlags.HasFlag(HandshakeFlags.NoZeroes);
        byte[] zeroes = new byte[wantsZeroes ? ZeroesAfterExportSize : 0];
        return Transport.TrySend([.. BytesOf(ref size), .. zeroes]) ? Outcome.Transmission : Outcome.Ended;
    }

    private Outcome Abort()
    {
        Acknowledge(Option.Abort);
        return Outcome.Ended;
    }

    private Outcome List()
    {
        foreach (NbdExport export in _exports)
        {
            byte[] name = Encoding.UTF8.GetBytes(export.Name);
            byte[] length = new byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(length, (uint)name.Length);
            Reply(Option.List, OptionReply.Server, [.. length, .. name, .. DescriptionOf(export)]);
        }

        return Acknowledge(Option.List);
    }

    private Outcome Use(Option option, ReplyStyle style)
    {
        _style = style;
        return Acknowledge(option);
    }

    // INFO, and the part of GO that looks the same.
    private Outcome DescribeExport(Option option, ReadOnlySpan<byte> data)
    {
        _chosen = null;
        OptionReader reader = new(data);
        if (!reader.TryRead(out string name) || !TryReadRequests(ref reader, out HashSet<Information> requests))
            return Refuse(option, OptionReply.ErrorInvalid, "malformed option data");
        if (Find(name) is not { } export) return RefuseUnknownExport(option, name);

        ExportSize size = SizeOf(export);
        Inform(option, Information.Export, BytesOf(ref size));
        if (requests.Contains(Information.Name))
            Inform(option, Information.Name, Encoding.UTF8.GetBytes(export.Name));
        if (requests.Contains(Information.Description) && export.Description is not null)
            Inform(option, Information.Description, DescriptionOf(export));
        if (requests.Contains(Information.BlockSize))
        {
            BlockSizes sizes = new()
            {
                Minimum = (uint)export.MinimumBlock,
                Preferred = (uint)Math.Max(PreferredBlock, export.MinimumBlock),
                MaximumPayload = NbdLimits.PayloadBytes,
            };
            Inform(option, Information.BlockSize, BytesOf(ref sizes));
        }

        if (option == Option.Go && WhyRefuse(export) is { } refusal)
            return Refuse(option, OptionReply.ErrorPolicy, refusal);

        _chosen = export;
        return Acknowledge(option);
    }

    private static bool TryReadRequests(ref OptionReader reader, out HashSet<Information> requests)
    {
        requests = [];
        if (!reader.TryRead(out ushort count)) return false;
        for (int i = 0; i < count; i++)
        {
            if (!reader.TryRead(out ushort request)) return false;
            requests.Add((Information)request);
        }

        return reader.IsAtEnd;
    }

    private void Inform(Option option, Information information, ReadOnlySpan<byte> data)
    {
        byte[] type = new byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16BigEndian(type, (ushort)information);
        Reply(option, OptionReply.Info, [.. type, .. data]);
    }

    private Outcome ListOrSetMetaContext(Option option, ReadOnlySpan<byte> data)
    {
        // A new choice replaces the former one even when it fails.
        bool set = option == Option.SetMetaContext;
        if (set) _contexts = MetaContexts.None;
        if (set && _style == ReplyStyle.Simple)
            return Refuse(option, OptionReply.ErrorInvalid, "negotiate structured replies first");

        OptionReader reader = new(data);
        if (!reader.TryRead(out string name) || !MetaContexts.TryReadQueries(ref reader, out List<string> queries))
            return Refuse(option, OptionReply.ErrorInvalid, "malformed option data");
        if (queries.Count > NbdLimits.ContextQueries)
            return Refuse(option, OptionReply.ErrorTooBig, $"more than {NbdLimits.ContextQueries} queries");
        if (Find(name) is not { } export) return RefuseUnknownExport(option, name);

        if (!set)
        {
            foreach (string context in MetaContexts.List(export, queries)) ReplyContext(option, 0, context);
            return Acknowledge(option);
        }

        MetaContexts contexts = MetaContexts.Select(export, queries);
        if (contexts.Selected.Count > NbdLimits.Contexts)
            return Refuse(option, OptionReply.ErrorTooBig, $"more than {NbdLimits.Contexts} metadata contexts");
        foreach (SelectedContext selected in contexts.Selected)
            ReplyContext(option, selected.Id, selected.Context.Name);
        _contexts = contexts;
        return Acknowledge(option);
    }

    private void ReplyContext(Option option, uint id, string name)
    {
        byte[] idField = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(idField, id);
        Reply(option, OptionReply.MetaContext, [.. idField, .. Encoding.UTF8.GetBytes(name)]);
    }

    private Outcome RefuseUnknownExport(Option option, string name) =>
        Refuse(option, OptionReply.ErrorUnknown, $"no export is called \"{Shorten(name)}\"");

    private NbdExport? Find(string name) =>
        _exports.FirstOrDefault(export => string.Equals(export.Name, name, StringComparison.Ordinal))
        ?? (name.Length == 0 && _exports.Count == 1 ? _exports[0] : null)
        ?? FindView(name);

    // Only of names that no export has: an @ may be part of one.
    private NbdExport? FindView(string name)
    {
        foreach (NbdExport export in _exports)
        {
            string? view = ViewIn(name, export.Name) ?? (_exports.Count == 1 ? ViewIn(name, "") : null);
            if (view is not null && export.Views(view) is { } contexts)
                return export with { Name = name, Contexts = contexts };
        }

        return null;
    }

    private static string? ViewIn(string name, string export) =>
        name.StartsWith($"{export}@", StringComparison.Ordinal) ? name[(export.Length + 1)..] : null;

    private ExportSize SizeOf(NbdExport export)
    {
        TransmissionFlags flags = TransmissionFlags.HasFlags | TransmissionFlags.SendFlush | TransmissionFlags.SendFua
            | TransmissionFlags.CanMultiConn | TransmissionFlags.SendCache;
        flags |= export.IsReadOnly
            ? TransmissionFlags.ReadOnly
            : TransmissionFlags.SendTrim | TransmissionFlags.SendWriteZeroes | TransmissionFlags.SendFastZero;
        if (_style != ReplyStyle.Simple) flags |= TransmissionFlags.SendDf;
        if (_style == ReplyStyle.Extended && ContextsOf(export).Selected.Count > 0)
            flags |= TransmissionFlags.BlockStatusPayload;
        return new ExportSize { Size = (ulong)export.Device.Length, TransmissionFlags = (ushort)flags };
    }

    private static byte[] DescriptionOf(NbdExport export) => Encoding.UTF8.GetBytes(export.Description ?? "");

    private static string Shorten(string name) => name.Length <= 100 ? name : $"{name[..100]}…";
}
