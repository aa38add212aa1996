package org.apache.flume.instrumentation.bound;

import com.google.gson.Gson;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import org.apache.flume.Context;
import org.apache.flume.FlumeException;
import org.apache.flume.instrumentation.MonitorService;
import org.apache.flume.instrumentation.util.JMXPollUtil;

/**
 * The agent's counters as JSON at /metrics, on one address.
 *
 * <p>Flume's own server for them listens on all interfaces and has no setting for it.
 */
public class BoundMetrics implements MonitorService {
  private HttpServer server;
  private String host;
  private int port;

  @Override
  public void configure(Context context) {
    host = context.getString("host");
    port = context.getInteger("port");
  }

  @Override
  public void start() {
    try {
      server = HttpServer.create(new InetSocketAddress(host, port), 0);
    } catch (IOException error) {
      throw new FlumeException("the metrics cannot be served at " + host + ":" + port, error);
    }
    server.createContext("/metrics", BoundMetrics::answer);
    server.start();
  }

  @Override
  public void stop() {
    server.stop(0);
  }

  private static void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      byte[] body = new Gson().toJson(JMXPollUtil.getAllMBeans()).getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
    }
  }
}
