using DmEra.Control;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace DmEra.Tests.Control;

public sealed class ControlServerTests
{
    // As with era changed | less: Kestrel would cut whoever takes less than 240 bytes a second.
    [Fact]
    public void Clients_may_take_their_time_to_read()
    {
        KestrelServerOptions kestrel = new();

        ControlServer.Configure(kestrel);

        Assert.Null(kestrel.Limits.MinResponseDataRate);
    }
}
