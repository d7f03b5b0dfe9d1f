using System.Globalization;
using DmEra.Devices;
using DmEra.Target.Chronicles;
using DmEra.Target.Labels;

namespace DmEra.Target.Mapping;

/// <summary>Finds the era that somebody means: by its number, by number and mark, or by a label.</summary>
/// <param name="target">The device.</param>
/// <param name="labels">What its eras are called; null: nothing.</param>
public sealed class EraFinder(EraTarget target, IEraLabels? labels = null)
{
    /// <summary>The number of the era. One that was given as such need not have begun.</summary>
    /// <exception cref="EraTargetException">There is no such label, or this history has no such mark.</exception>
    public uint Find(string name)
    {
        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint era)) return era;
        if (EraMark.TryParse(name, out EraMark moment))
        {
            return target.History.WhyUnknown(moment) is not string why
                ? moment.Era
                : throw new EraTargetException($"{name}: {why}", Errno.EINVAL);
        }

        if (labels is null) throw new EraTargetException($"'{name}': no era; they are numbers from 0 on, or ERA:MARK", Errno.EINVAL);
        try { return labels.Find(name); }
        catch (LabelException fault) { throw new EraTargetException(fault.Message, Errno.EINVAL, fault); }
    }
}
