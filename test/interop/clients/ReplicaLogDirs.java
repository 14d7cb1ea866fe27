import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Apache Kafka's admin client about replicas in log directories of broker 0. Its argument is the broker's
 * address; it reads commands, one a line, and prints one line for each, ok or the name of the exception:
 *
 *   move TOPIC PARTITION DIRECTORY                  has the replica moved there
 *   await TOPIC PARTITION CURRENT FUTURE            until it lies in CURRENT and is copied to FUTURE, or - for neither
 *   rate BYTES_PER_SECOND                           limits what is copied; - for no limit
 */
public class ReplicaLogDirs {
  private static final int BROKER = 0;

  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]));
        var lines = new BufferedReader(new InputStreamReader(System.in))) {
      for (var line = lines.readLine(); line != null; line = lines.readLine()) {
        try {
          run(admin, line.split(" "));
          System.out.println("ok");
        } catch (ExecutionException error) {
          System.out.println(error.getCause().getClass().getSimpleName());
        }
      }
    }
  }

  private static void run(Admin admin, String[] words) throws Exception {
    switch (words[0]) {
      case "move" -> {
        var replica = replica(words);
        admin.alterReplicaLogDirs(Map.of(replica, words[3])).values().get(replica).get();
      }
      case "await" -> {
        var replica = replica(words);
        var future = words[4].equals("-") ? null : words[4];
        for (;;) {
          var info = admin.describeReplicaLogDirs(List.of(replica)).values().get(replica).get();
          if (words[3].equals(info.getCurrentReplicaLogDir())
              && Objects.equals(future, info.getFutureReplicaLogDir())) return;
          Thread.sleep(50);
        }
      }
      case "rate" -> {
        var isNone = words[1].equals("-");
        var entry = new ConfigEntry("replica.alter.log.dirs.io.max.bytes.per.second", isNone ? "" : words[1]);
        var kind = isNone ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        var broker = new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(BROKER));
        admin.incrementalAlterConfigs(Map.of(broker, List.of(new AlterConfigOp(entry, kind)))).all().get();
      }
      default -> throw new IllegalArgumentException(words[0]);
    }
  }

  private static TopicPartitionReplica replica(String[] words) {
    return new TopicPartitionReplica(words[1], Integer.parseInt(words[2]), BROKER);
  }
}
